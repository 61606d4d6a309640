"""History of transcripts: written behind, expired, erased."""
