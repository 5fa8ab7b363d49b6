# Targets: cpu, cuda. `docker build --target cpu -t streamer .`; without a daemon: `make image`.
# pip's settings and a certificate authority may be lent to the build as the secrets `pip.conf` and
# `ca.pem`; they are mounted while pip runs and are in no layer.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/streamer
COPY requirements/serve.txt requirements/build.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && /opt/build/bin/pip --python /opt/streamer/bin/python install --no-cache-dir --require-hashes \
    -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE ./
COPY streamer streamer
COPY clients/js/src clients/js/src
RUN /opt/build/bin/pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation -w /opt/wheel . \
 && /opt/build/bin/pip --python /opt/streamer/bin/python install --no-cache-dir --no-index --no-deps \
    /opt/wheel/*.whl

# What the server and Qwen3-TTS need but streamer itself: torch and its CUDA libraries are gigabytes,
# and this stage, which changes with its requirements alone, keeps them out of every other layer.
FROM ${BASE} AS build-cuda
WORKDIR /src
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/streamer
COPY requirements/cuda.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    /opt/build/bin/pip --python /opt/streamer/bin/python install --no-cache-dir --require-hashes \
    -r requirements/cuda.txt

FROM build-cuda AS streamer-cuda
COPY --from=build /opt/wheel /opt/wheel
RUN /opt/build/bin/pip --python /opt/streamer/bin/python install --no-cache-dir --no-index --no-deps \
    --prefix /opt/added /opt/wheel/*.whl

FROM ${BASE} AS base
RUN useradd --system --uid 990 --home-dir /data --shell /usr/sbin/nologin streamer \
 && install -d -m 0700 -o streamer -g streamer /data
# Configure the container by environment (STREAMER_PORT=…), not by flags: the health check reads it too.
ENV PATH=/opt/streamer/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    STREAMER_HOST=0.0.0.0 \
    STREAMER_DATA_DIR=/data
USER streamer
WORKDIR /data
VOLUME /data
EXPOSE 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["streamer", "doctor", "--running"]
ENTRYPOINT ["streamer"]
CMD ["serve", "--first-key"]

# The driver and its libcuda come from the machine (NVIDIA's container toolkit, `--gpus`), the rest from wheels.
FROM base AS cuda
USER root
# Triton builds the launchers of its kernels with a C compiler, once, when they are first used.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build-cuda /opt/streamer /opt/streamer
COPY --from=streamer-cuda /opt/added /opt/streamer
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TRITON_CACHE_DIR=/data/triton \
    HF_HOME=/data/huggingface
USER streamer
# Weights are read and graphs captured before the port opens; from the hub they have to come first.
HEALTHCHECK --interval=30s --timeout=5s --start-period=600s CMD ["streamer", "doctor", "--running"]

FROM base AS cpu
COPY --from=build /opt/streamer /opt/streamer
