"""Has agents of ElevenLabs call many people."""
