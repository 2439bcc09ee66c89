"""What a demonstration needs where nothing else can be reached: a sample channel, a base image."""
