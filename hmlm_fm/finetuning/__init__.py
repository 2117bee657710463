"""Fine-tuning on one network's measurements."""
