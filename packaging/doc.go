// Package packaging holds what is installed beside the program: the systemd unit, users, folders and the default
// configuration. It has no code; its tests hold these files to the program.
package packaging
