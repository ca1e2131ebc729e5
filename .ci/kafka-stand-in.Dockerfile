# Mends ../shared/stack's stand-in of apache/kafka (see .ci/run); the original needs none of this.
FROM apache/kafka:4.1.1
USER root
# It keeps the modes of the files it was built from: built from a read-only folder, the broker cannot
# write its own configuration. And it refuses to start again on storage that it formatted before.
RUN chmod -R u+w /opt/kafka/config /etc/kafka/docker \
 && sed -i 's#|| exit 1#|| [ -e "${KAFKA_LOG_DIRS:-/tmp/kafka-logs}/meta.properties" ] || exit 1#' /etc/kafka/docker/launch
USER appuser
LABEL agentgauge.mended=1
