"""The planted-fault suite: healthy trainings, faults put into them, and how often the doctor is right about both."""
