"""Do people see what a concept is? A study as one HTML page, and the scorer of its answers."""

from ace3d_fast.quiz.page import write_quiz
from ace3d_fast.quiz.score import QuizScores, score_answers

__all__ = ["QuizScores", "score_answers", "write_quiz"]
