# One image for all services and the command line; the command selects the program. BuildKit and the classic builder can
# build it from any base image with Python 3.11 or newer:
#   docker build --build-arg PYTHON_IMAGE=python:3.12-slim .
# The package index is the one that is configured on the machine that builds.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/ requirements/
# the product needs no pip, so its environment has none and the pip of the base image installs into it
RUN python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --no-deps --require-hashes -r requirements/runtime.txt \
 && python -m venv --without-pip /opt/build \
 && python -m pip --python /opt/build/bin/python install --no-deps --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY services/ services/
RUN /opt/build/bin/python -m hatchling build -t wheel \
 && python -m pip --python /opt/venv/bin/python install --no-deps dist/*.whl \
 && python -m pip --python /opt/venv/bin/python check

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/venv/bin:${PATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 app \
 && useradd --uid 10001 --gid app --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app
COPY --from=build /opt/venv /opt/venv
COPY containers/image/ /opt/containers/
WORKDIR /app
USER app
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["python", "/opt/containers/health.py", "live"]
CMD ["personio-declaree", "--help"]

# The image of `--profile demo`: adds the sandboxes, which are not in the product's wheel.
FROM runtime AS demo
USER root
RUN mkdir /data && chown app:app /data
COPY sandbox/ /app/sandbox/
USER app
VOLUME /data
HEALTHCHECK NONE

# `docker build .` without a target builds the last stage, so the product comes last.
FROM runtime AS product
