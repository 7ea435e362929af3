package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"plugtone/daemon"
	"plugtone/daemon/asynclog"
	"plugtone/daemon/config"
)

// serveCommand runs the daemon.
func serveCommand() *cobra.Command {
	return serveWith(daemon.Options{Version: versionText(), CheckCommand: checkFileCommand()})
}

func serveWith(o daemon.Options) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: DHCP, TFTP, HTTP and the admin API",
		Long: `Run the daemon until it is stopped.

It is set up by a configuration file (` + config.DefaultPath + ` unless --config names another),
or, without one, by --interface: then it serves the interface's own subnet, after it has
made sure that no other DHCP server answers there. --interface alone reads no file. With
--config and --interface, the named interfaces are served beside those of the file.

SIGHUP reads the file again, SIGTERM ends the daemon.`,
		Example: `  plugtone serve
  plugtone serve --interface eth1 --data-dir /srv/plugtone`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := chooseConfig(&o, c.Flags().Changed("config")); err != nil {
				return err
			}
			log := asynclog.New(c.ErrOrStderr())
			defer log.Close()
			o.Log = log
			return serve(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Config, "config", config.DefaultPath, "configuration `FILE`")
	c.Flags().StringArrayVar(&o.Interfaces, "interface", nil, "serve the own subnet of interface `NAME`; may be given again")
	c.Flags().StringVar(&o.DataDir, "data-dir", "", "keep data in `DIR` instead of the configuration's data_dir")
	return c
}

// chooseConfig settles which file is read: with --interface none but the one that --config names.
func chooseConfig(o *daemon.Options, named bool) error {
	if !named && len(o.Interfaces) > 0 {
		o.Config = ""
		return nil
	}
	if _, err := os.Stat(o.Config); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("configuration file %s: no such file\nhint: name one with --config, or serve an interface's own subnet with --interface NAME", o.Config)
	}
	return nil
}

// serve runs a daemon until SIGTERM or SIGINT. A second one ends the process at once.
func serve(ctx context.Context, o daemon.Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	d, err := daemon.New(o)
	if err != nil {
		return counted(o.Config, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-hangup:
			// What is wrong with it is in the log; the daemon goes on with what it has.
			_ = d.Reload(ctx, false)
		}
	}
}

// counted adds a first line with the number of problems.
func counted(path string, err error) error {
	n := strings.Count(err.Error(), "\n") + 1
	if n == 1 || path == "" || strings.Contains(err.Error(), "\nhint: ") {
		return err
	}
	return fmt.Errorf("%s can't be used: %d problems\n%w", path, n, err)
}
