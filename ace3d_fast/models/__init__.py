"""Networks: loading, registry, the cut at a layer, and what a layer sees."""
