// Package packaging holds what is installed beside the program: the systemd unit, users, folders, the default
// configuration, Prometheus alerts and a Grafana dashboard. It has no code; its tests hold these files to the program.
package packaging
