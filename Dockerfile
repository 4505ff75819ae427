# deqn on the CPU; docs/howto/containers.md says how to build and use it.
FROM python:3.11-slim

# with the package index of PyTorch's build for the CPU, the image is 4 GB smaller
ARG PIP_EXTRA_INDEX_URL=""

COPY . /deqn
RUN pip install --no-cache-dir --disable-pip-version-check --constraint /deqn/constraints.txt "/deqn[ks,notebooks]"

# any user may run it, so that run folders belong to who has started the container (docker run --user)
ENV HOME=/tmp/home NUMBA_CACHE_DIR=/tmp/home/numba
RUN mkdir -m 1777 /tmp/home /work
WORKDIR /work
USER 1000
ENTRYPOINT ["deqn"]
CMD ["list"]
