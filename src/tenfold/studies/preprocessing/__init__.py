"""What is done to the inputs: centring, scaling, principal components, whitening."""
