"""Embedded mode: the whole pipeline in one process, with nothing but Python packages.

    agents ──▶ forwarder ──▶ broker (in-process Kafka) ──▶ bridge ──▶ SqliteLog ──▶ reduce, merge
               :9092                  ▲                                   │
                                      └───────────── mirror ◀─────────────┼──▶ sinks ──▶ /metrics, storage
                                      (for readers with Kafka clients)    └──▶ status page

Reading order: `pipeline`, then what it composes: `broker`, `forwarder`, `bridge`, `mirror`,
`status`.
"""
