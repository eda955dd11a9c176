void nic_interrupt(u32 number);
