# One image, three roles: serve (the web), work (the background), db upgrade (before either).
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/minamoto \
 && /opt/minamoto/bin/pip install --require-hashes --no-deps -r requirements.lock \
 && pip install --require-hashes --no-deps -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY static static
COPY tracker tracker
COPY api api
RUN python -m hatchling build --target wheel --directory /wheel \
 && /opt/minamoto/bin/pip install --no-deps --no-index /wheel/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin minamoto \
 && mkdir /empty
COPY --from=build /opt/minamoto /opt/minamoto
ENV PATH=/opt/minamoto/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MINAMOTO_DATABASE_URL=sqlite:////data/minamoto.sqlite3
USER minamoto
# Empty on purpose: what lies in the current folder must never be taken for a package of ours.
WORKDIR /empty
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["minamoto"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
