"""Where models answer: on this machine, on Kubernetes, at cloud providers."""
