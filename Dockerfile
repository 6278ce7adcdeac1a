# Two images from one file:  docker build --target api .   (no torch)   ·   docker build --target worker .
# The base is pinned: raise it deliberately, and look at what changed. Where your policy asks for a digest, pass
#   --build-arg PYTHON_IMAGE=python:3.11.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

# What changes seldom comes first, so that a change of our code does not install the libraries again.
FROM ${PYTHON_IMAGE} AS libraries
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PATH=/opt/heirloom/bin:$PATH
RUN ["python", "-m", "venv", "/opt/heirloom"]
WORKDIR /src
COPY pyproject.toml ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*project['dependencies'], *project['optional-dependencies']['s3'], sep='\n')" > base.txt \
    && pip install --requirement base.txt

FROM libraries AS libraries-worker
# The usual torch for Linux brings CUDA, several GB. For machines without a GPU build with --build-arg TORCH_INDEX=…,
# the address of PyTorch's CPU builds.
ARG TORCH_INDEX=""
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*project['optional-dependencies']['worker'], sep='\n')" > worker.txt \
    && pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --requirement worker.txt

FROM libraries AS wheel
COPY README.md LICENSE ./
COPY core core
COPY api api
COPY worker worker
COPY migrations migrations
COPY cli cli
RUN ["pip", "wheel", "--no-deps", "--wheel-dir", "/wheel", "."]

FROM libraries AS built-api
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl

FROM libraries-worker AS built-worker
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl

# What both images are: Python, a user without rights, and a folder of its own.
FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 heirloom \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/heirloom --shell /usr/sbin/nologin heirloom \
    && install --directory --owner heirloom --group heirloom --mode 0700 /var/lib/heirloom
ENV PATH=/opt/heirloom/bin:$PATH \
    HEIRLOOM_HOME=/var/lib/heirloom \
    HEIRLOOM_LOG_FORMAT=json \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/heirloom
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["heirloom"]

FROM runtime AS worker
COPY --from=built-worker /opt/heirloom /opt/heirloom
# A worker has no port: what it tells the database says whether it lives.
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["heirloom", "worker", "--check"]
CMD ["worker"]

FROM runtime AS api
COPY --from=built-api /opt/heirloom /opt/heirloom
ENV HEIRLOOM_HOST=0.0.0.0 HEIRLOOM_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["serve"]
