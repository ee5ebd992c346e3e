# The image of a release: the program, and nothing else. goreleaser builds it, with the program
# of each platform in a folder of its name. To build it from a clone:
#
#     mkdir -p linux/amd64 && CGO_ENABLED=0 go build -trimpath -o linux/amd64/flowbed ./cmd/flowbed
#     docker build --build-arg TARGETPLATFORM=linux/amd64 --tag flowbed .
#
# The base has the certificates of public CAs, time zones, and a user without rights.
FROM gcr.io/distroless/static-debian12:nonroot
ARG TARGETPLATFORM
COPY ${TARGETPLATFORM}/flowbed /usr/bin/flowbed
# config.hcl is mounted here.
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["/usr/bin/flowbed"]
