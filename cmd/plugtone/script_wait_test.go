package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// logged TEXT waits until the daemon's log has TEXT.
func (d *daemonProcess) logged(ts *testscript.TestScript, neg bool, args []string) error {
	return poll(neg, func() error {
		if text := ts.ReadFile("daemon.log"); !strings.Contains(text, args[0]) {
			return fmt.Errorf("not in the daemon's log: %q", args[0])
		}
		return nil
	})
}

// eventually [-lacks|-match] TEXT PROGRAM [ARGS] runs a program until it succeeds and its output has TEXT, lacks it, or has a match for it as a
// regular expression, and prints that output: for what the daemon does soon after.
func eventually(ts *testscript.TestScript, neg bool, args []string) error {
	holds, what := strings.Contains, "%q is not in the output:\n%s"
	switch args[0] {
	case "-lacks":
		holds, what = func(out, text string) bool { return !strings.Contains(out, text) }, "%q is in the output:\n%s"
		args = args[1:]
	case "-match":
		expr, err := regexp.Compile("(?m)" + args[1])
		if err != nil {
			return err
		}
		holds, what = func(out, _ string) bool { return expr.MatchString(out) }, "no match for %q in the output:\n%s"
		args = args[1:]
	}
	return poll(neg, func() error {
		cmd := exec.Command(programPath(ts, args[1]), args[2:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
		out, err := cmd.CombinedOutput()
		switch {
		case err != nil:
			return fmt.Errorf("%w:\n%s", err, out)
		case !holds(string(out), args[0]):
			return fmt.Errorf(what, args[0], out)
		}
		_, err = ts.Stdout().Write(out)
		return err
	})
}

// poll tries again until f has no error, at most five minutes: the machine may be loaded. A negated command looks once.
func poll(neg bool, f func() error) error {
	limit := time.After(5 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil || neg {
			return err
		}
		select {
		case <-limit:
			return err
		case <-tick.C:
		}
	}
}
