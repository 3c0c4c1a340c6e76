// A vCenter for the tests: govmomi's simulator, to which the one question is added that it does not know, and which is
// what warm migration is about: which areas of a disk have changed between two snapshots.
//
// It prints one line of JSON that says what it has, and runs until its standard input is closed.
package main

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

var changeIDs = []string{
	"52 3c ec 11 9e 2c 4c 3d-87 4a c3 4e 85 f2 ea 95/1",
	"52 3c ec 11 9e 2c 4c 3d-87 4a c3 4e 85 f2 ea 95/2",
}

type machine struct {
	*simulator.VirtualMachine
	size    int64
	step    int64
	areas   []types.DiskChangeExtent
	expired bool
}

// An answer covers only `step` bytes of the disk, and before the second one the session is over.
func (m *machine) QueryChangedDiskAreas(ctx *simulator.Context, req *types.QueryChangedDiskAreas) soap.HasFault {
	body := &methods.QueryChangedDiskAreasBody{}
	if req.StartOffset > 0 && !m.expired {
		m.expired = true
		ctx.Map.SessionManager().Logout(ctx, &types.Logout{This: ctx.Map.SessionManager().Self})
		body.Fault_ = simulator.Fault("The session is not authenticated.", &types.NotAuthenticated{})
		return body
	}
	if req.ChangeId != changeIDs[0] || req.StartOffset >= m.size {
		body.Fault_ = simulator.Fault("Error caused by file "+m.Name+".vmdk", &types.FileFault{File: m.Name})
		return body
	}
	end := min(req.StartOffset+m.step, m.size)
	body.Res = &types.QueryChangedDiskAreasResponse{Returnval: types.DiskChangeInfo{
		StartOffset: req.StartOffset, Length: end - req.StartOffset,
	}}
	for _, area := range m.areas {
		if start, stop := max(area.Start, req.StartOffset), min(area.Start+area.Length, end); start < stop {
			extent := types.DiskChangeExtent{Start: start, Length: stop - start}
			body.Res.Returnval.ChangedArea = append(body.Res.Returnval.ChangedArea, extent)
		}
	}
	return body
}

// A snapshot keeps the devices as they are, so the machine goes on with new ones.
func (m *machine) trackAs(changeID string) *types.VirtualDisk {
	devices := append([]types.BaseVirtualDevice{}, m.Config.Hardware.Device...)
	var found *types.VirtualDisk
	for i, device := range devices {
		if disk, ok := device.(*types.VirtualDisk); ok {
			fresh, backing := *disk, *disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			fresh.CapacityInBytes, fresh.CapacityInKB, backing.ChangeId = m.size, m.size/1024, changeID
			fresh.Backing = &backing
			devices[i], found = &fresh, &fresh
		}
	}
	config := *m.Config
	config.Hardware.Device = devices
	m.Config = &config
	return found
}

func main() {
	user := flag.String("user", "", "")
	password := flag.String("password", "", "")
	size := flag.Int64("size", 0, "of the disk, in bytes")
	step := flag.Int64("step", 0, "how much of the disk one answer covers, in bytes")
	changed := flag.String("changed", "[]", "[[start, length], ...]")
	centers := flag.Int("datacenters", 2, "")
	host := flag.String("host", "127.0.0.1", "where it listens")
	flag.Parse()

	var pairs [][2]int64
	must(json.Unmarshal([]byte(*changed), &pairs))

	model := simulator.VPX()
	model.Datacenter = *centers
	defer model.Remove()
	must(model.Create())
	model.Service.TLS = &tls.Config{}
	model.Service.Listen = &url.URL{Host: *host + ":0", User: url.UserPassword(*user, *password)}
	server := model.Service.NewServer()
	defer server.Close()

	about := map[string]any{"url": "https://" + server.URL.Host + server.URL.Path}
	about["certificate"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if *centers > 0 {
		m := &machine{VirtualMachine: last(model), size: *size, step: *step}
		for _, pair := range pairs {
			m.areas = append(m.areas, types.DiskChangeExtent{Start: pair[0], Length: pair[1]})
		}
		var snapshots []string
		for _, changeID := range changeIDs {
			about["file"] = m.trackAs(changeID).Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName
			request := &types.CreateSnapshot_Task{This: m.Self, Name: changeID}
			made := m.CreateSnapshotTask(model.Service.Context, request).(*methods.CreateSnapshot_TaskBody)
			model.Map().Get(made.Res.Returnval).(*simulator.Task).Wait()
			snapshots = append(snapshots, m.Snapshot.CurrentSnapshot.Value)
		}
		model.Map().Put(m)
		about["machine"], about["snapshots"], about["change_ids"] = m.Self.Value, snapshots, changeIDs
		about["instance_uuid"], about["bios_uuid"] = m.Config.InstanceUuid, m.Config.Uuid
	}
	must(json.NewEncoder(os.Stdout).Encode(about))
	io.Copy(io.Discard, os.Stdin)
}

// The machine that is found last: in the last datacenter.
func last(model *simulator.Model) *simulator.VirtualMachine {
	var found *simulator.VirtualMachine
	for _, each := range model.Map().All("VirtualMachine") {
		if vm := each.(*simulator.VirtualMachine); found == nil || vm.Self.Value > found.Self.Value {
			found = vm
		}
	}
	return found
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
