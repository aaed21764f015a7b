"""The topics that the project ships, in the reader's language. What an operator named otherwise is
shown as it is written."""

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

# As in data/topics.json, since translators' tools find texts in code only.
HEADINGS = (
    _("Language"),
    _("Agents and robotics"),
    _("Foundations"),
    _("Vision and sound"),
    _("Applications and society"),
)
NAMES = (
    _("Language models"),
    _("Reasoning"),
    _("Agents and tool use"),
    _("Retrieval and RAG"),
    _("Alignment and safety"),
    _("Reinforcement learning"),
    _("Efficient ML"),
    _("NLP and multilinguality"),
    _("Benchmarks and evaluation"),
    _("Datasets"),
    _("Vision-language"),
    _("Image generation"),
    _("Video"),
    _("Computer vision"),
    _("3D and graphics"),
    _("Speech and audio"),
    _("Robotics and embodied AI"),
    _("Code and software"),
    _("Recommendation and personalization"),
    _("Science and medicine"),
    _("Theory and optimization"),
    _("ML systems and hardware"),
    _("Interpretability"),
    _("Graphs, tables and time series"),
    _("People and society"),
)
DESCRIPTIONS = (
    _(
        "Pre-training, architectures, tokenization, scaling and long context of large language models"
    ),
    _("Chain of thought, test-time compute, mathematical and logical reasoning"),
    _("LLM agents, planning, tool and computer use, multi-agent systems"),
    _("Information retrieval, embeddings for search, retrieval-augmented generation, memory"),
    _(
        "Preference optimization, RLHF, refusals, jailbreaks, moderation, privacy, robustness to misuse"
    ),
    _("RL algorithms, RL with verifiable rewards, reward models, decision making"),
    _(
        "Quantization, pruning, distillation, token compression, caching, faster inference and training with less"
    ),
    _(
        "Question answering, dialogue, translation, summarization, low-resource and multilingual language work"
    ),
    _("New benchmarks, evaluation methods, judges, leaderboards, reproducibility"),
    _("New corpora, data curation, synthetic data, annotation"),
    _("Vision-language models, multimodal LLMs, document and chart understanding, grounding"),
    _("Diffusion and autoregressive image generation, editing, text-to-image"),
    _("Video understanding and video generation, world models from video"),
    _("Detection, segmentation, recognition, depth, visual representation learning"),
    _("3D reconstruction and generation, Gaussian splatting, NeRF, avatars, graphics"),
    _("Speech recognition and synthesis, spoken language models, audio, music"),
    _("Manipulation, navigation, vision-language-action models, autonomous driving, simulation"),
    _(
        "Code generation, program repair, software-engineering agents, formal verification of programs"
    ),
    _("Recommender systems, user modelling, personalization, advertising"),
    _("Biology, chemistry, physics, climate, medicine and healthcare applications"),
    _("Learning theory, optimizers, training dynamics, statistics, numerical precision"),
    _("Training and serving infrastructure, parallelism, kernels, compilers, accelerators"),
    _("Mechanistic interpretability, probing, attribution, uncertainty and calibration of models"),
    _("Graph learning, tabular data, forecasting, anomaly detection"),
    _("Human-AI interaction, culture and values, bias and fairness, education, policy, copyright"),
)


def translated(text: str) -> str:
    """A name, a description or a heading in the language of the moment."""
    return gettext(text) if text else ""
