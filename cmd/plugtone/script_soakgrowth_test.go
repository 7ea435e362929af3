package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// soakSample is what the daemon holds at one moment.
type soakSample [len(soakMeasures)]float64

// soakMeasures are what must not grow, each with by how much the last third may be above the first: a share, and besides that a number
// for what happens to run at the moment. The goal of the collector is a multiple of what it found in use, without the garbage since.
var soakMeasures = [...]struct {
	name    string
	unit    float64
	share   float64
	besides float64
}{
	{"go_memstats_next_gc_bytes", 1 << 20, 0.2, 8},
	{"RssAnon", 1 << 10, 0.2, 16},
	{"process_open_fds", 1, 0.1, 6},
	{"go_goroutines", 1, 0.1, 8},
}

// sample reads the measures until ctx ends.
func (k *soak) sample(ctx context.Context, length time.Duration) ([]soakSample, error) {
	tick := time.NewTicker(max(length/400, 250*time.Millisecond))
	defer tick.Stop()
	var all []soakSample
	for {
		select {
		case <-ctx.Done():
			return all, nil
		case <-tick.C:
		}
		text, err := k.read("GET", "/metrics", "")
		if err != nil {
			return all, err
		}
		p, err := procfs.NewProc(k.daemon.cmd.Process.Pid)
		if err != nil {
			return all, err
		}
		status, err := p.NewStatus()
		if err != nil {
			return all, err
		}
		text = fmt.Appendf(text, "RssAnon %d\n", status.RssAnon>>10)
		var s soakSample
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			for i, m := range soakMeasures {
				if name == m.name {
					if s[i], err = strconv.ParseFloat(value, 64); err != nil {
						return all, err
					}
					s[i] /= m.unit
				}
			}
		}
		all = append(all, s)
	}
}

// judge compares the medians of the first and the last third of what was measured after the warm-up, the first quarter. It returns the
// figures, and an error when one has grown.
func judge(all []soakSample) (text string, err error) {
	all = all[len(all)/4:]
	if len(all) < 30 {
		return "", fmt.Errorf("%d samples are too few", len(all))
	}
	var out strings.Builder
	for i, m := range soakMeasures {
		median := func(part []soakSample) float64 {
			values := slices.SortedFunc(slices.Values(part), func(a, b soakSample) int { return cmp.Compare(a[i], b[i]) })
			return values[len(values)/2][i]
		}
		third := len(all) / 3
		first, middle, last := median(all[:third]), median(all[third:2*third]), median(all[2*third:])
		fmt.Fprintf(&out, "%-30s %8.1f %8.1f %8.1f\n", m.name, first, middle, last)
		if first == 0 {
			err = errors.Join(err, fmt.Errorf("%s was not measured", m.name))
		}
		if last > first*(1+m.share)+m.besides {
			err = errors.Join(err, fmt.Errorf("%s grows: medians of the thirds %.1f, %.1f, %.1f", m.name, first, middle, last))
		}
	}
	return out.String(), err
}

func TestSoakFindsWhatGrows(t *testing.T) {
	for i, m := range soakMeasures {
		var flat, growing []soakSample
		for n := range 200 {
			s := soakSample{40, 80, 30, 60}
			for j := range s {
				s[j] += float64(n*7%13) - 6 // noise
			}
			flat = append(flat, s)
			s[i] += float64(n) * (s[i]*m.share + m.besides) / 80
			growing = append(growing, s)
		}
		if _, err := judge(flat); err != nil {
			t.Errorf("flat: %v", err)
		}
		if _, err := judge(growing); err == nil || !strings.Contains(err.Error(), m.name+" grows") {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	if _, err := judge(nil); err == nil {
		t.Error("nothing measured is flat")
	}
}
