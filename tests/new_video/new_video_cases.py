"""What the small run of these tests is made with."""

TARGET = "red_checker"
FEW = {"num_regions": [15, 50], "num_clusters": 8, "forwards_per_concept": 8}
