// Shortens a few paths. Every page works without it, and it asks nobody but this site.
"use strict";
