package webtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"plugtone/dhcp/netlab"
)

// shared is the browser of a test binary. It starts with the first tab, since it is heavy.
var shared struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

// Main runs the tests of a package and closes the browser. Packages call it in TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if shared.end != nil {
		shared.end()
	}
	os.Exit(code)
}

// sharedBrowser returns the context of the running browser. Where there is none the test is skipped; with PLUGTONE_REQUIRE_E2E=1 it fails.
func sharedBrowser(t testing.TB) context.Context {
	t.Helper()
	shared.once.Do(func() { start(context.WithoutCancel(t.Context())) })
	if shared.err == nil {
		return shared.ctx
	}
	netlab.Missing(t, shared.err)
	return nil
}

func start(ctx context.Context) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		shared.err = errors.New("chromium is not installed (Debian package chromium)")
		return
	}
	alloc, stop := chromedp.NewExecAllocator(ctx, chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("lang", "en-GB"))
	ctx, cancel := chromedp.NewContext(alloc)
	shared.ctx, shared.end = ctx, func() { cancel(); stop() }
	shared.err = chromedp.Do(ctx)
}
