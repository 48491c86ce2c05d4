"""Regions other than supervoxels: label files, tubelet grids, segments of optical flow."""
