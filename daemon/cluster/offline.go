package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"plugtone/daemon/config"
	"plugtone/provision/fleet"
	"plugtone/store/etcd"
	"plugtone/store/etcd/recordlog"
	"plugtone/store/records"
	"plugtone/store/seal"
)

// Offline is the records of an appliance whose daemon does not run.
type Offline struct {
	Cluster config.Cluster
	Version string
	Records records.Copy
	Log     *slog.Logger
	Now     func() time.Time
}

func (o Offline) connect() (*Cluster, error) {
	return connect(Config{Cluster: o.Cluster, Version: o.Version, Records: o.Records, Now: o.Now, Log: o.Log})
}

// Counts are the records that were imported or fetched.
type Counts struct {
	Devices    int    `json:"devices"`
	Extensions int    `json:"extensions"`
	Profiles   int    `json:"profiles"`
	Registrars int    `json:"registrars"`
	Revision   uint64 `json:"revision"`
}

func (o Offline) counts() (n Counts, err error) {
	err = o.Records.View(func(v fleet.View) error {
		n.Revision = v.Revision()
		n.Devices, err = count(v.Devices([6]byte{}))
		errs := []error{err}
		n.Extensions, err = count(v.Extensions())
		errs = append(errs, err)
		n.Profiles, err = count(v.Profiles())
		errs = append(errs, err)
		n.Registrars, err = count(v.Registrars())
		return errors.Join(append(errs, err)...)
	})
	return n, err
}

func count[T any](list func(yield func(T, error) bool)) (n int, err error) {
	for _, err := range list {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Import makes the records those of the cluster; see recordlog.Import. It makes the key of the cluster if there is none.
func (o Offline) Import(ctx context.Context, restore, dryRun bool) (n Counts, madeKey bool, err error) {
	if _, err := seal.Read(o.Cluster.KeyFile); errors.Is(err, fs.ErrNotExist) && !restore {
		if madeKey = true; !dryRun {
			if err := seal.New().Write(o.Cluster.KeyFile); err != nil {
				return n, false, fmt.Errorf("make the key of the cluster: %w", err)
			}
		}
	}
	if madeKey && dryRun { // etcd is queried all the same
		n, err = o.counts()
		return n, true, errors.Join(err, o.reach(ctx))
	}
	x, err := o.connect()
	if err != nil {
		return n, madeKey, err
	}
	err = recordlog.Import(ctx, x.log, restore, dryRun)
	if err == nil {
		n, err = o.counts()
	}
	return n, madeKey, errors.Join(err, x.Close())
}

// reach returns an error when etcd does not answer.
func (o Offline) reach(ctx context.Context) error {
	c, err := openEtcd(o.Cluster)
	if err != nil {
		return err
	}
	_, err = etcd.ListMembers(ctx, c, o.Log)
	return errors.Join(err, c.Close())
}

// Join replaces the records by those of the cluster; see recordlog.Join.
func (o Offline) Join(ctx context.Context, discard bool) (n Counts, err error) {
	x, err := o.connect()
	if err != nil {
		return n, err
	}
	if err = recordlog.Join(ctx, x.log, discard); err == nil {
		n, err = o.counts()
	}
	return n, errors.Join(err, x.Close())
}

// Leave takes this appliance off the list of members. Its records stay, as its own.
func (o Offline) Leave(ctx context.Context) error {
	x, err := o.connect()
	if err != nil {
		return err
	}
	err = remove(ctx, x.client, o.Cluster.Name, o.Log)
	if err == nil {
		err = recordlog.Forget(x.log)
	}
	return errors.Join(err, x.Close())
}

// Remove takes a member off the list that does not run.
func Remove(ctx context.Context, c config.Cluster, name string, log *slog.Logger) error {
	client, err := openEtcd(c)
	if err != nil {
		return err
	}
	err = remove(ctx, client, name, log)
	return errors.Join(err, client.Close())
}

func remove(ctx context.Context, client *etcd.Client, name string, log *slog.Logger) error {
	list, err := etcd.ListMembers(ctx, client, log)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.Name == name && m.Alive {
			return fmt.Errorf("member %s runs: stop it first", name)
		}
	}
	was, err := etcd.Leave(ctx, client, name)
	if err == nil && !was {
		return fmt.Errorf("there is no member %s", name)
	}
	return err
}
