package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// perfdhcpFresh is the same by perfdhcp. Its times count from when it sent a message, not from when it should have.
func perfdhcpFresh(ctx context.Context, o dhcpOptions, name string, held, rate int) (dhcpSample, error) {
	return runFresh(ctx, o, name, held, rate, func(s *server) (exchanged, time.Duration, error) {
		before, err1 := cpuTime(s.cmd.Process.Pid)
		e, err := s.perfdhcp(o, rate)
		after, err2 := cpuTime(s.cmd.Process.Pid)
		return e, after - before, errors.Join(err, err1, err2)
	})
}

// perfdhcp begins rate exchanges a second, each of a client that was never seen.
func (s *server) perfdhcp(o dhcpOptions, rate int) (e exchanged, err error) {
	args := []string{"-4", "-r", strconv.Itoa(rate), "-R", "1000000", "-p", strconv.Itoa(int(o.period.Seconds())), "-W", "1000000",
		"-b", "mac=00:0c:01:00:00:00", "-x", "t", "-l", clientAddr.String()}
	if o.class != "" {
		args = append(args, "-o", fmt.Sprintf("60,%x", o.class))
	}
	cmd := s.clients.Command(s.ctx, "perfdhcp", append(args, serverAddr.String())...)
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	// Status 3 reports that some were lost.
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 3 {
		return e, fmt.Errorf("%w\n%s", err, faults.String())
	}
	return parsePerfdhcp(out.String())
}

var (
	sentLine     = regexp.MustCompile(`(?m)^sent packets: (\d+)`)
	receivedLine = regexp.MustCompile(`(?m)^received packets: (\d+)`)
	stampLine    = regexp.MustCompile(`(?m)^sent / received: (\d+\.\d+) / (\d+\.\d+)`) // in seconds
)

// parsePerfdhcp reads what perfdhcp prints: for DISCOVER-OFFER, then for REQUEST-ACK, packets sent and received, and when.
func parsePerfdhcp(out string) (e exchanged, err error) {
	sent, received := sentLine.FindAllStringSubmatch(out, -1), receivedLine.FindAllStringSubmatch(out, -1)
	offers, acks, ok := strings.Cut(out, "***Timestamps for packets: REQUEST-ACK***")
	if len(sent) < 2 || len(received) < 2 || !ok {
		return e, fmt.Errorf("perfdhcp printed no statistics:\n%.2000s", out)
	}
	e.Begun, _ = strconv.Atoi(sent[0][1]) // digits, by the expression
	e.Done, _ = strconv.Atoi(received[1][1])
	e.offers, e.acks = stamps(offers), stamps(acks)
	e.Offer, e.Ack, e.All = quantiles(e.offers), quantiles(e.acks), quantiles(append(e.offers, e.acks...))
	return e, nil
}

func stamps(text string) (took []time.Duration) {
	for _, m := range stampLine.FindAllStringSubmatch(text, -1) {
		a, err1 := strconv.ParseFloat(m[1], 64)
		b, err2 := strconv.ParseFloat(m[2], 64)
		if err1 == nil && err2 == nil && b >= a {
			took = append(took, time.Duration((b-a)*1e9))
		}
	}
	return took
}
