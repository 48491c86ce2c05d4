"""A benchmark on planted videos: are the explanations true?"""
