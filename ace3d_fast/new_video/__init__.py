"""A new video against the concepts of a run: what is seen when and where, and how much it moves the logit."""

from ace3d_fast.new_video.explain import VideoExplanation, explain_video

__all__ = ["VideoExplanation", "explain_video"]
