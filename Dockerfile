# One image for every service and for the command line; the command says which. Built by BuildKit and by the classic
# builder alike, from any base with Python 3.11 or newer:
#   docker build --build-arg PYTHON_IMAGE=python:3.12-slim .
# Which package index is asked is the business of the machine that builds.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/ requirements/
# the product's environment has no pip: that of the base image fills it
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

# What `--profile demo` adds: the sandboxes, which the product's wheel does not contain.
FROM runtime AS demo
USER root
RUN mkdir /data && chown app:app /data
COPY sandbox/ /app/sandbox/
USER app
VOLUME /data
HEALTHCHECK NONE

# The last target is what a plain `docker build .` makes.
FROM runtime AS product
