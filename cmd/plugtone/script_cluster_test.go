package main

import (
	"errors"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"plugtone/store/etcd/etcdtest"
)

// TestClusterScripts runs testdata/cluster: daemons without a network of their own, and a real etcd. Scripts run daemons in the background
// as testscript does; the command etcd stops and continues etcd.
func TestClusterScripts(t *testing.T) {
	t.Parallel()
	own := map[string]func(*testscript.TestScript, bool, []string){"envsubst": reported("envsubst", envsubst), "eventually": reported("eventually", eventually), "etcd": scriptEtcd}
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/cluster",
		Cmds: own,
		Setup: func(e *testscript.Env) error {
			cluster := etcdtest.Start(e.T().(testing.TB), 1)
			e.Values[scriptEtcdKey{}] = cluster
			e.Setenv("ETCD", cluster.Endpoints()[0])
			return nil
		},
	})
}

type scriptEtcdKey struct{}

// scriptEtcd stop|continue stops etcd as a host that hangs, or lets it go on.
func scriptEtcd(ts *testscript.TestScript, _ bool, args []string) {
	signal := map[string]syscall.Signal{"stop": syscall.SIGSTOP, "continue": syscall.SIGCONT}
	if len(args) != 1 || signal[args[0]] == 0 {
		ts.Check(errors.New("usage: etcd stop|continue"))
	}
	ts.Value(scriptEtcdKey{}).(*etcdtest.Cluster).Signal(0, signal[args[0]])
}
