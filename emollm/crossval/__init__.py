"""The parts of ``emollm crossval``: folds of a recipe, one of them as a job, what was begun, the report of all."""
