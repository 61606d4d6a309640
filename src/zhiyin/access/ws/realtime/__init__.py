"""The Realtime transcription protocol of OpenAI."""
