package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/daemon/cluster"
	"plugtone/daemon/config"
	"plugtone/store"
	"plugtone/store/seal"
)

// clusterCommand has the commands for several appliances with the same records.
func clusterCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "cluster", Short: "Several appliances with the same records: state, join, leave, import",
		Long: `Several appliances share their records in etcd (cluster in the configuration; docs/cluster.md).

status queries the daemon. The others work on the data folder of the configuration while no daemon uses it. On the first
appliance, import makes its records the cluster's. On each further one, join fetches them.`}
	c.AddCommand(clusterStatus(a), clusterImport(), clusterJoin(), clusterLeave())
	return c
}

func clusterStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status", Args: cobra.NoArgs, Short: "Show the members, etcd, and who answers which phones",
		Long: `Show the members of the cluster, the servers of etcd, and how far this member's records follow.

COPIED is how far this member has copied what phones have uploaded to another one and fetched from it. The table below
shows which member answers which part of the phones in shared subnets, divided by a hash of their MAC (RFC 3074), and
which one has taken over for a member that is away.`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			s, err := cl.Cluster(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, s)
			}
			return printCluster(c.OutOrStdout(), s)
		}),
	}
}

func printCluster(out io.Writer, s client.ClusterStatus) error {
	if !s.Enabled {
		_, err := fmt.Fprintln(out, "this is a single appliance: the configuration has no cluster")
		return err
	}
	var f fields
	f.add("member", s.Name)
	f.add("etcd", either(s.Connected, "connected", s.Problem))
	for _, e := range s.Etcd {
		f.add("server", e.Endpoint+": "+either(e.Problem == "", "answers", e.Problem))
	}
	r := s.Records
	f.add("records", either(r.Problem == "", fmt.Sprintf("follow, at change %d of %d, %s behind", r.Applied, r.Head, lagText(r.LagSeconds)), "do not follow: "+r.Problem))
	for _, c := range s.Conflicts {
		f.add("conflict", c)
	}
	if err := f.print(out); err != nil || len(s.Members) == 0 {
		return err
	}
	t := newTable("MEMBER", "ALIVE", "VERSION", "SCHEMA", "COPIED", "SUBNETS")
	for _, m := range s.Members {
		var subnets []string
		for _, n := range m.Subnets {
			text := n.Subnet.String()
			if n.Shared {
				text += " shared"
			}
			subnets = append(subnets, text)
		}
		t.add(m.Name, yesNo(m.Alive), m.Version, fmt.Sprint(m.Schema), copiedText(m), dash(strings.Join(subnets, ", ")))
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	if err := t.print(out); err != nil || len(s.Shared) == 0 {
		return err
	}
	t = newTable("SUBNET", "MEMBER", "SERVER ID", "ANSWERS")
	for _, n := range s.Shared {
		for _, v := range n.Servers {
			id := "-"
			if v.ServerID.IsValid() {
				id = v.ServerID.String()
			}
			t.add(n.Subnet.String(), v.Member, id, answersText(n, v))
		}
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return t.print(out)
}

// copiedText is how far what phones have uploaded to a member, and fetched from it, is copied.
func copiedText(m client.ClusterMember) string {
	u := m.Copies
	switch {
	case u == nil || !m.Alive:
		return "-"
	case u.Problem != "" && u.Waiting == 0:
		return "not known: " + u.Problem
	case u.Problem != "":
		return fmt.Sprintf("%d missing: %s", u.Waiting, u.Problem)
	case u.Waiting > 0:
		return fmt.Sprintf("%d missing", u.Waiting)
	}
	return "all"
}

// answersText is which clients of a subnet a member answers.
func answersText(n client.SharedSubnet, v client.SubnetServer) string {
	if !n.Usable {
		return "known leases only: plugtone status has the reason"
	}
	if !v.Alive {
		return "none: away since " + at(v.AwaySince)
	}
	text := fmt.Sprintf("%d %% of the clients", v.Percent)
	var gone []string
	for _, o := range n.Servers {
		if !o.Alive {
			gone = append(gone, fmt.Sprintf("%s since %s", o.Member, at(o.AwaySince)))
		}
	}
	if len(gone) > 0 {
		text += ", takes over for " + strings.Join(gone, ", ")
	}
	return text
}

func either(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

func lagText(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// clusterFlags are those of the commands that work without the daemon.
type clusterFlags struct{ config string }

func (f *clusterFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.config, "config", config.DefaultPath, "configuration `FILE`")
}

// load reads the configuration, which must have a cluster.
func (f *clusterFlags) load() (*config.Config, error) {
	c, _, err := config.Load(f.config)
	if err != nil {
		return nil, err
	}
	if !c.Cluster.Enabled() {
		return nil, fmt.Errorf("%s has no cluster: write cluster: {etcd: {endpoints: [https://10.0.0.1:2379]}} first", f.config)
	}
	return c, nil
}

// offline opens the data folder and runs do with its records. With backup it copies the records to backups/ first.
func (f *clusterFlags) offline(c *cobra.Command, backup bool, do func(context.Context, cluster.Offline) error) (err error) {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := store.Open(store.Config{Dir: cfg.DataDir, KeyFile: seal.Path(cfg.DataDir, os.Getenv("CREDENTIALS_DIRECTORY")), Now: time.Now, Log: log, Registerer: prometheus.NewRegistry(), CheckCommand: checkFileCommand()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if backup {
		if err := s.Snapshot(); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
	}
	return do(c.Context(), cluster.Offline{Cluster: cfg.Cluster, Version: versionText(), Records: s.Copy(), Log: log, Now: time.Now})
}

func clusterImport() *cobra.Command {
	var f clusterFlags
	var dryRun, restore bool
	c := &cobra.Command{
		Use: "import", Args: cobra.NoArgs, Short: "Make the records of this appliance those of the cluster",
		Long: `Write the records of this appliance to etcd, which must have none, and make them the cluster's. The key file of the
cluster is made if there is none: copy it to the other members before they join.

--restore does the same with a member's copy after etcd has lost its data. Other members whose copy was no further go
on from it; take the member with the highest change in "plugtone cluster status".`,
		Example: `  systemctl stop plugtone
  plugtone cluster import --dry-run
  plugtone cluster import
  chown -R plugtone: /var/lib/plugtone /etc/plugtone/cluster.key && systemctl start plugtone`,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.offline(c, false, func(ctx context.Context, o cluster.Offline) error {
				n, madeKey, err := o.Import(ctx, restore, dryRun)
				if err != nil {
					return err
				}
				verb := "are the cluster's now"
				if dryRun {
					verb = "would be the cluster's; nothing was changed"
				} else if madeKey {
					message(c, "made the key %s: copy it to the other members and to a safe place", o.Cluster.KeyFile)
				}
				message(c, "%s %s", countsText(n), verb)
				return nil
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only check and count")
	c.Flags().BoolVar(&restore, "restore", false, "etcd has lost its data: write this member's copy")
	return c
}

func clusterJoin() *cobra.Command {
	var f clusterFlags
	var discard bool
	c := &cobra.Command{
		Use: "join", Args: cobra.NoArgs, Short: "Replace the records of this appliance by those of the cluster",
		Long: `Fetch the records of the cluster. An appliance without records also does that by itself when it starts.

Records that are no copy of the cluster's are kept, with an error, unless --discard-local is given: it replaces them. A
copy of them is in backups/ then.`,
		Example: `  systemctl stop plugtone
  plugtone cluster join --discard-local
  chown -R plugtone: /var/lib/plugtone && systemctl start plugtone`,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.offline(c, discard, func(ctx context.Context, o cluster.Offline) error {
				n, err := o.Join(ctx, discard)
				if err != nil {
					return err
				}
				message(c, "this appliance has the cluster's records: %s", countsText(n))
				return nil
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&discard, "discard-local", false, "replace records that are no copy of the cluster's, after a copy in backups/")
	return c
}

func clusterLeave() *cobra.Command {
	var f clusterFlags
	var name string
	c := &cobra.Command{
		Use: "leave", Args: cobra.NoArgs, Short: "Take this appliance, or one that is gone, off the members",
		Long: `Take this appliance off the list of members. Its records stay as they are: remove cluster from its configuration, and
it is a single appliance with them.

--name takes another member off the list, one that is gone for good; its data is not touched.`,
		Example: `  systemctl stop plugtone
  plugtone cluster leave

  plugtone cluster leave --name voice-b    # on another member`,
		RunE: func(c *cobra.Command, _ []string) error {
			if name != "" {
				cfg, err := f.load()
				if err != nil {
					return err
				}
				if err := cluster.Remove(c.Context(), cfg.Cluster, name, slog.New(slog.DiscardHandler)); err != nil {
					return err
				}
				message(c, "%s is no member any more", name)
				return nil
			}
			return f.offline(c, false, func(ctx context.Context, o cluster.Offline) error {
				if err := o.Leave(ctx); err != nil {
					return err
				}
				message(c, "%s is no member any more; remove cluster from %s before it starts", o.Cluster.Name, f.config)
				return nil
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&name, "name", "", "take off the member `NAME`, which does not run")
	return c
}

func countsText(n cluster.Counts) string {
	return fmt.Sprintf("%d devices, %d extensions, %d profiles, %d registrars, revision %d", n.Devices, n.Extensions, n.Profiles, n.Registrars, n.Revision)
}
