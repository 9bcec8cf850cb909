"""The page: a consultation built around the image, served by the same process and with no request to anywhere else."""
