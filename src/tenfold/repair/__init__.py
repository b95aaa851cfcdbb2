"""A recipe under the doctor: diagnosed, repaired, and what failed recipes have in common."""
