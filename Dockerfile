# A model behind HTTP (app/server/README.md):
#
#   docker build -t sinter .
#   docker run --rm -p 127.0.0.1:8080:8080 -v ./model.gguf:/model.gguf:ro sinter serve /model.gguf
FROM node:24-slim
WORKDIR /sinter
COPY package.json package-lock.json sinter.js ./
COPY runtime runtime
COPY compiler compiler
COPY app app
COPY bench bench
COPY specs specs
RUN npm ci --omit=dev --ignore-scripts && mkdir /cache && chown node:node /cache
# kernels that were compiled once; a volume here spares the next container that work
ENV SINTER_KERNEL_CACHE=/cache
VOLUME /cache
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --start-period=10m CMD \
  node -e "fetch('http://127.0.0.1:8080/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"
# inside of a container, all addresses are its own: who reaches them is said by docker run -p
ENTRYPOINT ["node", "/sinter/sinter.js"]
CMD ["serve", "/model", "--host", "0.0.0.0"]
