# A container with `notifier run` in it. /data holds config.toml, its rules and the store:
#   docker build -t notifier .
#   docker run --rm -v notifier:/data notifier init
#   docker run -d --name notifier --restart unless-stopped -v notifier:/data notifier

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# The locks alone first: as long as they stay, the packages come from the layer cache.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/build && \
    /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock && \
    python -m venv /opt/notifier && \
    /opt/notifier/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE config.example.toml ./
COPY rules ./rules
COPY notifier ./notifier
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /opt/dist && \
    /opt/notifier/bin/pip install --no-index --no-deps /opt/dist/*.whl && \
    /opt/notifier/bin/pip check && \
    /opt/notifier/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
RUN groupadd --gid 10001 notifier && \
    useradd --uid 10001 --gid notifier --home-dir /data --no-create-home --shell /usr/sbin/nologin notifier && \
    install --directory --owner notifier --group notifier /data
COPY --from=build /opt/notifier /opt/notifier
ENV PATH="/opt/notifier/bin:$PATH" PYTHONUNBUFFERED=1
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=1m --timeout=10s --start-period=1m CMD ["notifier", "status"]
ENTRYPOINT ["notifier"]
CMD ["run"]
