package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/notify"
)

func resyncCommand(a *app) *cobra.Command {
	var in client.ResyncRequest
	var detach bool
	var m many
	c := &cobra.Command{
		Use: "resync MAC... | --where EXPR | --stale | --change ID", Short: "Make phones fetch their files again, and wait until they have",
		Long: "Send each phone a SIP NOTIFY, by the method of its vendor, at a pace, and wait for its fetch. The result names for each phone\n" +
			"what happened: fetched, answered (and did not fetch), challenged (it wanted credentials), rejected, silent or skipped.\n" +
			"With --canary the first phones must fetch before the others are notified. Ctrl-C detaches: the job goes on, and\n" +
			"plugtone job show follows it. The status is 0 only if every phone fetched.",
		Example: `  plugtone resync 00:15:65:12:34:56
  plugtone resync --where "profile=desk,state=stale"
  plugtone resync --stale --canary 2 --message "new key layout"
  plugtone resync 00:15:65:12:34:56 --reboot --print`,
		Args: func(c *cobra.Command, args []string) error {
			if in.Stale != (in.Change > 0) && len(args) == 0 && m.where == "" && !m.stdin {
				return nil
			}
			if in.Stale || in.Change > 0 {
				return usagef("name the phones by MAC, --where or --stdin, or use --stale for those that have not fetched what they would get now, or --change for those whose files it has changed")
			}
			return m.args(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			named, err := m.request(c, args)
			if err != nil {
				return err
			}
			for _, mac := range named.MACs {
				in.MACs = append(in.MACs, mac.String())
			}
			in.Where = named.Where
			cl, err := a.client()
			if err != nil {
				return err
			}
			answer, err := cl.Resync(c.Context(), in)
			switch {
			case err != nil:
				return err
			case in.Print:
				return a.printPlanned(c, answer.Planned)
			case answer.Job == nil:
				return a.done(c, answer, "no phone is selected")
			case detach:
				return a.done(c, answer.Job, "job %d: %d phones; plugtone job show %d follows it", answer.Job.ID, answer.Job.Total, answer.Job.ID)
			}
			return a.followJob(c, cl, answer.Job.ID)
		},
	}
	m.define(c)
	resyncFlags(c, &in)
	c.Flags().BoolVar(&detach, "detach", false, "do not wait")
	return c
}

// resyncChanged makes the phones fetch whose files the command has changed, and waits until they have.
func (a *app) resyncChanged(c *cobra.Command) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	started := false
	for _, id := range a.made {
		answer, err := cl.Resync(c.Context(), client.ResyncRequest{Change: id, ResyncOptions: client.ResyncOptions{Message: a.write.Message}})
		if err != nil {
			return fmt.Errorf("the records are changed, but no phone is made to fetch: %w", err)
		}
		if answer.Job == nil {
			continue
		}
		started = true
		if err := a.followJob(c, cl, answer.Job.ID); err != nil {
			return err
		}
	}
	if !started {
		message(c, "no phone's files have changed: none is made to fetch")
	}
	return nil
}

func resyncFlags(c *cobra.Command, in *client.ResyncRequest) {
	f := c.Flags()
	f.BoolVar(&in.Stale, "stale", false, "all phones whose last fetch is not what they would get now")
	f.Uint64Var(&in.Change, "change", 0, "the phones whose files the change `ID` has changed")
	f.BoolVar(&in.Reboot, "reboot", false, "make the phones restart; those that can't be made to are skipped")
	f.StringVar(&in.Pace, "pace", "50/m", "phones in a time, `RATE` as 50/m, 5/s or off")
	f.StringVar(&in.PerAddress, "per-address", "5/m", "phones behind one address in a time, `RATE` as with --pace")
	f.IntVar(&in.Canary, "canary", 0, "notify `N` phones first, and stop when one of them does not fetch")
	f.StringVar(&in.Wait, "wait", "90s", "how long to wait for the fetch of a phone, a `DURATION` up to 1h")
	f.StringVar(&in.Message, "message", "", "what it is for, a `TEXT` shown with the job")
	f.BoolVar(&in.Print, "print", false, "print what would be sent, and send nothing")
}

func (a *app) printPlanned(c *cobra.Command, planned []notify.Planned) error {
	if a.json {
		return printJSON(c, planned)
	}
	for _, p := range planned {
		text := "skipped: " + p.Skipped
		if p.Skipped == "" {
			to := "by " + p.Over // the PBX has its address
			if p.Addr.IsValid() {
				to = fmt.Sprintf("to %s over %s", p.Addr, p.Over)
			}
			text = fmt.Sprintf("%s:\n\n  %s", to, strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(p.Request, "\r", "")), "\n", "\n  "))
		}
		if _, err := fmt.Fprintf(c.OutOrStdout(), "%s %s\n", p.MAC, text); err != nil {
			return err
		}
	}
	return nil
}

// followJob prints how a job goes on until it has ended. Ctrl-C ends only the command.
func (a *app) followJob(c *cobra.Command, cl *client.Client, id uint64) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	progress := newProgress(c.ErrOrStderr())
	for {
		job, err := cl.Job(ctx, id)
		if err == nil && job.State != notify.Running {
			progress.end()
			if err := a.printJob(c, job); err != nil {
				return err
			}
			return unfetched(job)
		}
		if err == nil {
			progress.show("job %d: %s", id, jobProgress(job))
			select {
			case <-ctx.Done():
			case <-tick.C:
				continue
			}
		}
		progress.end()
		if ctx.Err() != nil {
			message(c, "job %d goes on; plugtone job show %d follows it, plugtone job stop %d ends it", id, id, id)
			return context.Cause(c.Context())
		}
		return err
	}
}

// jobProgress prints counts: 12 of 213 done, 3 waiting; 11 fetched, 1 silent.
func jobProgress(job notify.Job) string {
	done := 0
	for o, n := range job.Counts {
		if o.Final() {
			done += n
		}
	}
	text := fmt.Sprintf("%d of %d done, %d waited for", done, job.Total, job.Counts[notify.Waiting])
	if counts := jobCounts(job); counts != "" {
		text += "; " + counts
	}
	return text
}

// jobCounts prints the final outcomes that phones have.
func jobCounts(job notify.Job) string {
	var parts []string
	for _, o := range notify.Outcomes() {
		if n := job.Counts[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	return strings.Join(parts, ", ")
}

// unfetched returns an error for a job that ended without the fetch of every phone.
func unfetched(job notify.Job) error {
	if missing := job.Total - job.Counts[notify.Fetched]; missing > 0 {
		return fmt.Errorf("job %d: %d of %d phones did not fetch", job.ID, missing, job.Total)
	}
	return nil
}

// printJob prints a job with its phones.
func (a *app) printJob(c *cobra.Command, job notify.Job) error {
	if a.json {
		return printJSON(c, job)
	}
	return printJobTable(c.OutOrStdout(), job)
}

func printJobTable(out io.Writer, job notify.Job) error {
	var f fields
	f.add("job", fmt.Sprintf("%d, %s", job.ID, job.State))
	f.add("reason", job.Reason)
	f.add("message", job.Message)
	f.add("started", at(job.Created)+" by "+job.Actor)
	f.add("ended", at(job.Ended))
	f.add("phones", jobProgress(job))
	if err := f.print(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	t := newTable("MAC", "ADDRESS", "OUTCOME", "DETAIL")
	for _, p := range job.Phones {
		addr, outcome := "-", string(p.Outcome)
		if p.Addr.IsValid() {
			addr = p.Addr.String()
		}
		if outcome == "" {
			outcome = "pending"
		}
		t.add(p.MAC.String(), addr, outcome, p.Detail)
	}
	return t.print(out)
}

func jobCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "job", Short: "Resync jobs: list, follow, stop"}
	c.AddCommand(jobList(a), jobShow(a), jobStop(a))
	return c
}

func jobList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List the last 100 jobs, newest first",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			list, err := cl.Jobs(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, list)
			}
			t := newTable("ID", "STARTED", "BY", "STATE", "PHONES", "OUTCOMES", "MESSAGE")
			for _, job := range list {
				t.add(fmt.Sprint(job.ID), at(job.Created), job.Actor, string(job.State), fmt.Sprint(job.Total), dash(jobCounts(job)), job.Message)
			}
			return t.print(c.OutOrStdout())
		}),
	}
}

func jobShow(a *app) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "show ID", Args: cobra.ExactArgs(1), Short: "Show a job with its phones",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			id, err := recordID("job", args[0])
			if err != nil {
				return err
			}
			if follow {
				return a.followJob(c, cl, id)
			}
			job, err := cl.Job(c.Context(), id)
			if err != nil {
				return err
			}
			return a.printJob(c, job)
		}),
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "wait until it has ended")
	return c
}

func jobStop(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stop ID", Args: cobra.ExactArgs(1), Short: "Stop a job: phones that are not notified yet are skipped",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			id, err := recordID("job", args[0])
			if err != nil {
				return err
			}
			if err := cl.StopJob(c.Context(), id); err != nil {
				return err
			}
			return a.done(c, removal{"job", args[0], "stopped"}, "job %d stopped", id)
		}),
	}
}
