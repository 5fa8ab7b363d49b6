"""Qwen3-TTS: a talker, a code predictor and a streaming codec, in plain torch. Needs the extra `qwen3`.

Nothing here is imported before the engine is opened: a server without it does without torch.
"""
