package dbfile

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkMemory is how many bytes the check of a small file may take. A sound file needs a fiftieth of its size and little
// more; a damaged length makes bbolt take as much as there is.
const checkMemory = 128 << 20

// limitMemory bounds the memory that this process, which checks f, can get from now on. Beyond it the Go runtime ends the
// process, which its parent takes for damage of the file.
func limitMemory(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	limit := dataSize() + checkMemory + uint64(info.Size()/8)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("limit the memory of a check: %w", err)
	}
	return nil
}

// dataSize returns how many bytes this process has that count against RLIMIT_DATA; 0 where the kernel does not report it.
func dataSize() uint64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if w := strings.Fields(lines.Text()); len(w) == 3 && w[0] == "VmData:" {
			n, _ := strconv.ParseUint(w[1], 10, 64)
			return n << 10
		}
	}
	return 0
}
