"""OCI images without HTTP: names, manifests, configs, blobs."""
