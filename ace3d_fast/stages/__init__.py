"""One arrow of the flow in each file: clips, supervoxels, features, concepts, CAVs, scores, evaluation."""
