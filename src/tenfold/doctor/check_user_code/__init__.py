"""What a user of the doctor hands over, and what is refused."""
