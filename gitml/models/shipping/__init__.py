"""Models as container images: the build context, and building it by Docker, Podman or Buildah."""
