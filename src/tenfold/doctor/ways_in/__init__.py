"""How a training comes to the doctor: watched, before it begins, or trained by the doctor itself."""
