"""Phrases that the starting topics gained; what operators wrote or took out otherwise stays."""

from django.db import migrations

PHRASES = {
    "language-models": ["causal language modeling", "continual learning of language models", "continued pre-training", "diffusion language models", "foundation models", "instruction tuning", "large language diffusion", "large language diffusion model", "long-context inference", "long-context modeling", "masked language modeling", "state space model", "ultra-long-context", "vocabulary"],
    "agents": ["ai scientists", "workflow", "gui"],
    "retrieval": ["deep search agent", "evolving memory", "memory evaluation", "semantic embedding", "text embeddings", "universal embedder", "universal multimodal embedding", "long-term memory for agents"],
    "alignment-safety": ["authorship obfuscation", "detection evasion", "provenance", "reward benchmark", "safety gap", "vulnerable"],
    "reinforcement-learning": ["outcome reward", "process supervision", "policy optimisation", "outcome reward model", "intrinsic feedback"],
    "efficient-ml": ["adaptive sampling", "efficient reasoning", "fewer decoding steps", "fewer tokens", "inference-time efficiency", "parallel scaling", "redundant reasoning", "token efficiency", "token usage", "overthinking"],
    "nlp": ["authorship", "hallucination span", "legal", "plain language", "span detection", "text classification task"],
    "evaluation": ["benchmarks", "diagnostic", "evaluation of", "judging", "robustness of", "stress testing", "we evaluate", "comprehensive evaluation of"],
    "datasets": ["a dataset of", "curated", "dataset comprising", "data synthesis pipeline", "large-scale data", "meta dataset", "synthesize data", "synthesizing", "we collect", "we curate", "we release a dataset"],
    "multimodal": ["early-fusion", "mixed-modal", "mllms", "omni-modal understanding"],
    "image-generation": ["high-fidelity image", "image generator", "unified multimodal model"],
    "computer-vision": ["bundle adjustment", "document analysis", "handwritten text", "matting", "reasoning segmentation", "representation learning", "self-supervised learning"],
    "robotics": ["drone", "robot navigation", "robot operation", "simulator for control", "embodied navigation"],
    "recommendation": ["personal assistant", "personalized"],
    "science-medicine": ["depression", "health", "human brain", "neural data", "omics", "satellite"],
    "theory": ["bound", "hypothesis testing", "learning rate schedules", "log-concave", "multi-layer perceptron", "optimality", "perturbation theory", "sample compression", "schedule-free", "spectral", "stochastic optimization", "theory of", "we establish"],
    "systems": ["fused kernel", "gpu", "gpu kernels", "kernel", "parallelize", "parallelizing", "training loop", "triton kernel", "wall-clock"],
    "interpretability": ["activations", "causal role", "massive activation", "probe", "steering", "steering framework", "hidden state dynamics", "representation geometry", "internal mechanism"],
    "society": ["fact-checking", "misinformation detection", "personality", "personality trait", "psychometric", "self-report", "user study"],
}


def add(apps, schema_editor):
    Topic = apps.get_model("subscriptions", "Topic")
    for topic in Topic.objects.filter(slug__in=PHRASES):
        if isinstance(topic.phrases, list):
            topic.phrases += [each for each in PHRASES[topic.slug] if each not in topic.phrases]
            topic.save(update_fields=["phrases"])


def take_back(apps, schema_editor):
    Topic = apps.get_model("subscriptions", "Topic")
    for topic in Topic.objects.filter(slug__in=PHRASES):
        if isinstance(topic.phrases, list):
            topic.phrases = [each for each in topic.phrases if each not in PHRASES[topic.slug]]
            topic.save(update_fields=["phrases"])


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0010_slots_remember")]
    operations = [migrations.RunPython(add, take_back)]
