// Package machine has what benchmarks need of the machine: a place to work, a description, and what processes use.
package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Workplace makes a new folder in dir, on the disk that is to be measured, and finds the program there or in PATH. Both paths
// are absolute, for the servers run in another folder. What remove returns is an error of the file system.
func Workplace(dir, program string) (work, found string, remove func() error, err error) {
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

// Describe returns in a line what is measured on, and how busy it was before.
func Describe() string {
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if s := field(string(text), "model name"); s != "" {
			cpu = s
		}
	}
	// Where these can't be read there's a blank.
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%d × %s, Linux %s, %s, load before %s", runtime.NumCPU(), cpu, strings.TrimSpace(string(kernel)), runtime.Version(),
		strings.TrimSpace(string(load)))
}

// CPUTime is what a process and those that it started have used of the processors, with the kernel's work on their behalf, also
// of threads that have ended (proc_pid_stat(5)). It counts in steps of 10 ms. An error means that the process has ended.
func CPUTime(pid int) (time.Duration, error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	parents, times := map[int]int{}, map[int]time.Duration{}
	for _, e := range all {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if parents[id], times[id], err = stat(string(text)); err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", id, err)
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

// stat reads the parent and the CPU time of a process. Its name, in brackets, may hold anything; what follows it can't.
func stat(text string) (parent int, used time.Duration, err error) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 13 {
		return 0, 0, fmt.Errorf("%q is too short", text)
	}
	parent, err1 := strconv.Atoi(f[1])
	user, err2 := strconv.Atoi(f[11])
	kernel, err3 := strconv.Atoi(f[12])
	return parent, time.Duration(user+kernel) * time.Second / 100, errors.Join(err1, err2, err3) // USER_HZ is 100 on Linux
}

// Memory is what a process has in RAM.
type Memory struct {
	All, Own, Files int // kB: everything; of its own; of files that are mapped, which the kernel takes back when it needs the room
}

// MemoryOf reads what a process has in RAM (proc_pid_status(5)).
func MemoryOf(pid int) (m Memory, err error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	for name, to := range map[string]*int{"VmRSS": &m.All, "RssAnon": &m.Own, "RssFile": &m.Files} {
		if *to, err = strconv.Atoi(strings.TrimSuffix(field(string(text), name), " kB")); err != nil {
			return m, fmt.Errorf("%s: %s: %w", path, name, err)
		}
	}
	return m, nil
}

// field is the value of the first line "name: value" in a file of /proc.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(n) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
