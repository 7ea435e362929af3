package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// workplace makes a new folder in dir, on the disk that is to be measured, and finds the program there or in PATH. Both paths
// are absolute, for the servers run in another folder. What remove returns is an error of the file system.
func workplace(dir, program string) (work, found string, remove func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", nil, err
	}
	if found, err = exec.LookPath(program); err == nil {
		found, err = filepath.Abs(found)
	}
	if err != nil {
		return "", "", nil, fmt.Errorf("the program to measure: %w (make build makes it)", err)
	}
	if work, err = os.MkdirTemp(dir, "bench-"); err != nil {
		return "", "", nil, err
	}
	return work, found, func() error { return os.RemoveAll(work) }, nil
}

// describeMachine returns in a line what is measured on, and how busy it was before.
func describeMachine() string {
	cpu := "unknown processor"
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if all, err := fs.CPUInfo(); err == nil && len(all) > 0 {
			cpu = cmp.Or(all[0].ModelName, cpu)
		}
	}
	// Where these can't be read there's a blank.
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%d × %s, Linux %s, %s, load before %s", runtime.NumCPU(), cpu, strings.TrimSpace(string(kernel)), runtime.Version(),
		strings.TrimSpace(string(load)))
}

// cpuTime is what a process and those that it started have used of the processors, with the kernel's work on their behalf, also
// of threads that have ended (proc_pid_stat(5)). It counts in steps of 10 ms. An error means that the process has ended.
func cpuTime(pid int) (time.Duration, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return 0, err
	}
	parents, times := map[int]int{}, map[int]time.Duration{}
	for _, p := range all {
		if st, err := p.Stat(); err == nil { // else it has ended
			parents[p.PID], times[p.PID] = st.PPID, time.Duration(st.CPUTime()*float64(time.Second))
		}
	}
	if _, ok := times[pid]; !ok {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	var sum time.Duration
	for id, t := range times {
		for up := id; up > 1; up = parents[up] {
			if up == pid {
				sum += t
				break
			}
		}
	}
	return sum, nil
}

// memory is what a process has in RAM.
type memory struct {
	all, own, files uint64 // kB: everything; of its own; of files that are mapped, which the kernel takes back when it needs the room
}

// memoryOf reads what a process has in RAM (proc_pid_status(5)).
func memoryOf(pid int) (memory, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return memory{}, err
	}
	st, err := p.NewStatus()
	return memory{all: st.VmRSS >> 10, own: st.RssAnon >> 10, files: st.RssFile >> 10}, err
}
